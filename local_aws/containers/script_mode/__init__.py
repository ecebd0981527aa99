"""What the images that run a script of the user's own share.

`python -m local_aws.containers.script_mode COMMAND...` runs a command as the first
process of a container. `training` is what such an image runs itself, as AWS's training
toolkit does. Both find `python3` and `pip3` of the container's own on the PATH.
"""
