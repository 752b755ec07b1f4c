"""What the documentation site makes from the project when it is built, so that no page is out of date.

Pictures come from the registered pipelines, reference pages from parameters, catalog, schemas and commands, numbers
from results. A page asks with a comment such as `<!-- made: parameters -->`.
"""
