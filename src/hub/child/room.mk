libmrchub_la_SOURCES += \
	%D%/child.c %D%/child.h \
	%D%/inquire.c %D%/inquire.h \
	%D%/jobs.c %D%/jobs.h

unit_tests += \
	tests/unit/hub/child/test_child \
	tests/unit/hub/child/test_jobs

EXTRA_DIST += %D%/README.md
