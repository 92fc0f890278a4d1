libmrcstore_la_SOURCES += \
	%D%/documents.c %D%/documents.h \
	%D%/layout.h

unit_tests += tests/unit/store/documents/test_documents

EXTRA_DIST += %D%/README.md
