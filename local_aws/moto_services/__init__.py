"""The services whose operations are moto's: each has moto's own WSGI application.

Neither moto's dispatcher nor its control pages (`/moto-api`) are anywhere.

service.py      what all of them have in common: MotoService
bridge.py       a request as a WSGI environment, and what comes back
validation.py   a request held against the service model
switches.py     moto's own settings
filter_patterns.py    those of CloudWatch Logs
s3_documents.py   XML and policies that S3 takes
s3.py, iam.py, logs.py, cloudwatch.py, budgets.py    what is peculiar to these
"""
