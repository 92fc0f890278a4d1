libmrchub_la_SOURCES += \
	%D%/lineage.c %D%/lineage.h \
	%D%/seen.c %D%/seen.h \
	%D%/unsettled.c %D%/unsettled.h \
	%D%/walk.c %D%/walk.h

unit_tests += \
	tests/unit/hub/lineage/test_lineage \
	tests/unit/hub/lineage/test_seen \
	tests/unit/hub/lineage/test_unsettled

EXTRA_DIST += %D%/README.md
