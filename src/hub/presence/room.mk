libmrchub_la_SOURCES += \
	%D%/announcer.c %D%/announcer.h \
	%D%/events.c %D%/events.h \
	%D%/left.c %D%/left.h \
	%D%/presence.c %D%/presence.h \
	%D%/queue.c %D%/queue.h \
	%D%/reap.c %D%/reap.h

unit_tests += \
	tests/unit/hub/presence/test_announce \
	tests/unit/hub/presence/test_no_memory \
	tests/unit/hub/presence/test_presence \
	tests/unit/hub/presence/test_reap
tests_unit_hub_presence_test_announce_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mrc_hub_publish_group
tests_unit_hub_presence_test_no_memory_LDFLAGS = $(LINK_FAILING_CALLS)
# The test's processes die at this call.
tests_unit_hub_presence_test_presence_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mrc_hub_publish_group
# The engine that it plays.
tests_unit_hub_presence_test_reap_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mrc_query_take_dead \
	-Wl,--wrap=mrc_query_subscriptions -Wl,--wrap=mrc_query_reap

EXTRA_DIST += %D%/README.md
