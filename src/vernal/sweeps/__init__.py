"""The sweep language: specs, points, their files, and the plan of a stage."""
