libmrcstore_la_SOURCES += \
	%D%/memory.c %D%/memory.h

unit_tests += tests/unit/store/memory/test_memory tests/unit/store/memory/test_no_memory
tests_unit_store_memory_test_no_memory_LDFLAGS = $(LINK_FAILING_CALLS)

EXTRA_DIST += %D%/README.md
