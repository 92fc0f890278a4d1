libmrchub_la_SOURCES += \
	%D%/cursor.c %D%/cursor.h \
	%D%/filter.c %D%/filter.h \
	%D%/pages.c %D%/pages.h \
	%D%/reader.c %D%/reader.h \
	%D%/replay.c %D%/replay.h \
	%D%/subscriber.c %D%/subscriber.h

unit_tests += tests/unit/hub/subscriber/test_no_memory tests/unit/hub/subscriber/test_pages
tests_unit_hub_subscriber_test_no_memory_LDFLAGS = $(LINK_FAILING_CALLS)

EXTRA_DIST += %D%/README.md
