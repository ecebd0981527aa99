"""Amazon API Gateway's HTTP APIs (apigatewayv2), in front of Lambda functions.

operations.py     API Gateway's operations; service.py has them respond
configuration.py  what an API and its parts may be, and how they are shown
deployments.py    what of an API a stage serves
routing.py        route keys, and the route that a request takes
cors.py           which pages of other origins get what
throttling.py     how many requests a route takes
events.py         a request as a function's event, its result as a response
gateway.py        the public side of one API: an ASGI application
listeners.py      the ports at which the APIs are served, on a thread of their own
apis.py           `Apis`: the records of all APIs, and who serves them
"""
