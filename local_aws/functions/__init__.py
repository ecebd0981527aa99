"""AWS Lambda: functions, each run in processes of its own.

    operations.py     Lambda's operations; service.py has them respond
    configuration.py  what a function may be, and how it is shown
    permissions.py    a function's resource policy
    packages.py       the zip: checked, kept, unpacked
    invocations.py    `Functions`: invoke, and the processes that are warm
    events.py         invocations that nobody waits for
    instance.py       one such process, under the Lambda runtime interface
    bootstrap.py      the program in it
    logs.py           its output on its way to CloudWatch Logs

Another service calls a function by `responders.of(named("lambda")).functions`.
"""
