libmrchub_la_SOURCES += \
	%D%/lineage.c %D%/lineage.h \
	%D%/seen.c %D%/seen.h \
	%D%/unsettled.c %D%/unsettled.h \
	%D%/walk.c %D%/walk.h

unit_tests += \
	tests/unit/hub/lineage/test_lineage \
	tests/unit/hub/lineage/test_no_memory \
	tests/unit/hub/lineage/test_seen \
	tests/unit/hub/lineage/test_unsettled \
	tests/unit/hub/lineage/test_walk
tests_unit_hub_lineage_test_no_memory_LDFLAGS = $(LINK_FAILING_CALLS)

EXTRA_DIST += %D%/README.md
