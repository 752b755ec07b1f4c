"""File formats that Kedro does not bring, one class a file."""
