libmrcstore_la_SOURCES += \
	%D%/documents.c %D%/documents.h \
	%D%/layout.h

unit_tests += tests/unit/store/documents/test_documents
tests_unit_store_documents_test_documents_LDFLAGS = $(LINK_FAILING_ALLOC)

EXTRA_DIST += %D%/README.md
