"""The live frame: a private httpd for each test, and clients that show every byte."""
