libmrcstore_la_SOURCES += \
	%D%/memory.c %D%/memory.h

unit_tests += tests/unit/store/memory/test_memory

EXTRA_DIST += %D%/README.md
