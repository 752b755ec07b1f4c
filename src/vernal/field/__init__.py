"""With a classifier in the field: detection in long recordings, export, mining of a whole season."""
