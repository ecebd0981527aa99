"""What has to survive the end of the process, on disk.

SageMaker's resources are in `sagemaker.sqlite`. What moto has in memory is in
`services.sqlite`, and the bytes of larger objects in files of their own, in `s3/`:
moto's applications do the work; after each request that changed something, and before
its response is given out, the change is committed. At start moto is filled again from
there. So a request that was acknowledged is not lost, however the process ends; a
change that could not be persisted is taken back in memory too, and its request gets an
error.

database.py         an SQLite file: versions, transactions
resources.py        SageMaker's resources and tags
moto_database.py    the tables of moto's services
service.py          what is common to the persistence of these
s3.py, iam.py, logs.py, cloudwatch.py, budgets.py    one each; they import moto, which
                    takes long
blobs.py            the bytes of S3's objects: files, ranges, who still reads them
pickles.py          objects of moto as bytes and back
s3_models.py, logs_models.py, moto_patches.py    moto's classes with what they lack
metric_times.py     CloudWatch's periods, likewise

Not persisted, since nothing could use it after a restart: sessions made by STS
(requests signed with them are not accepted anyway) and queries of Logs Insights.
"""

MOTO_DATABASE = "services.sqlite"
SAGEMAKER_DATABASE = "sagemaker.sqlite"
OBJECTS = "s3"
