libmrchub_la_SOURCES += \
	%D%/activity.c %D%/activity.h \
	%D%/figures.c %D%/figures.h \
	%D%/hub.c %D%/hub.h \
	%D%/interests.c %D%/interests.h \
	%D%/last_id.c %D%/last_id.h \
	%D%/numbers.c %D%/numbers.h \
	%D%/patterns.c %D%/patterns.h \
	%D%/rate.c %D%/rate.h \
	%D%/revocation.c %D%/revocation.h \
	%D%/seats.c %D%/seats.h \
	%D%/spec.h

unit_tests += \
	tests/unit/hub/hub/test_activity \
	tests/unit/hub/hub/test_figures \
	tests/unit/hub/hub/test_interests \
	tests/unit/hub/hub/test_last_id \
	tests/unit/hub/hub/test_limits \
	tests/unit/hub/hub/test_no_memory \
	tests/unit/hub/hub/test_numbers \
	tests/unit/hub/hub/test_patterns \
	tests/unit/hub/hub/test_revocation
tests_unit_hub_hub_test_activity_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime
tests_unit_hub_hub_test_interests_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mrc_history_head \
	-Wl,--wrap=mrc_history_newest -Wl,--wrap=mrc_interests_unset
tests_unit_hub_hub_test_no_memory_LDFLAGS = $(LINK_FAILING_CALLS) -Wl,--wrap=apr_generate_random_bytes \
	-Wl,--wrap=mrc_history_append_control
tests_unit_hub_hub_test_patterns_LDFLAGS = $(LINK_FAILING_ALLOC)

EXTRA_DIST += %D%/README.md
