"""nbgrader's settings: this folder is a course as nbgrader understands it."""

c = get_config()  # noqa: F821 (nbgrader defines it before it runs this file)

c.CourseDirectory.course_id = "sagemaker"
# What stands in the place of a solution in the students' copies.
c.ClearSolutions.code_stub = {
    "python": "# Replace the dots; add lines if you need them."
}
c.ClearSolutions.text_stub = "*Write your answer here.*"
# Seconds for a cell; 30 are not enough for a training job on a slow machine.
c.Execute.timeout = 600
