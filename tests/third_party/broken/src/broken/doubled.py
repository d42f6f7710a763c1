"""Things under names that others have."""

raise AssertionError("what claims the name of another must not even be imported")
