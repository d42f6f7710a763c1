"""World coordinates: frames, gwcs building blocks, fast evaluation on a grid."""
