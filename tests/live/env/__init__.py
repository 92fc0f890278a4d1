"""The frame of the live tests: a private httpd for each test, and clients that show every byte."""
