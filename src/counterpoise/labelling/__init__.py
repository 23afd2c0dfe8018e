"""What people should label next, and which labels they should look at again."""
