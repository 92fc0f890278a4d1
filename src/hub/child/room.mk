libmrchub_la_SOURCES += \
	%D%/child.c %D%/child.h \
	%D%/inquire.c %D%/inquire.h \
	%D%/jobs.c %D%/jobs.h

unit_tests += \
	tests/unit/hub/child/test_child \
	tests/unit/hub/child/test_jobs \
	tests/unit/hub/child/test_late \
	tests/unit/hub/child/test_no_memory \
	tests/unit/hub/child/test_on_demand
tests_unit_hub_child_test_late_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime \
	-Wl,--wrap=mrc_staging_lock
tests_unit_hub_child_test_no_memory_LDFLAGS = $(LINK_FAILING_CALLS) -Wl,--wrap=mrc_thread_join

EXTRA_DIST += %D%/README.md
