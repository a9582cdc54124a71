"""What the image is made with. It runs while the image is built and is no part of it."""
