"""The jobs: what runs for a while, ends by itself and can be stopped.

They reach S3, CloudWatch Logs and CloudWatch through the same address that the
course's notebooks use, and know nothing of any algorithm.

To add a kind of job, write a module here with a function `run(job)` and add its row to
`kinds.KINDS`. `run` calls `job.begin_attempt` when the job gets its instances, asks
`job.check()` between two steps, returns when the work is done and raises JobFailed with
a FailureReason when it can't be done. The engine does the rest: a place to run, a
folder, stop, the times and the words of the end. A kind that waits for other jobs says
that it `coordinates`; it makes their records (`training.new_record`) and starts them by
`job.engine`. Its operations are a family in `local_aws.sagemaker`.
"""
