"""What MIRI's steps are checked with that nothing can be made up for."""
