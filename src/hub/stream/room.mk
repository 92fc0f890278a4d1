libmrchub_la_SOURCES += \
	%D%/answers.c %D%/answers.h \
	%D%/carrier.h \
	%D%/dispatcher.c %D%/dispatcher.h \
	%D%/ending.c %D%/ending.h \
	%D%/feed.c %D%/feed.h \
	%D%/handles.c %D%/handles.h \
	%D%/loop.c %D%/loop.h \
	%D%/loop_args.h \
	%D%/loop_hub.c %D%/loop_hub.h \
	%D%/loop_state.h \
	%D%/session.h \
	%D%/sessions.c %D%/sessions.h \
	%D%/shares.h \
	%D%/sockets.c %D%/sockets.h \
	%D%/source.h \
	%D%/stream.c %D%/stream.h \
	%D%/waiters.c %D%/waiters.h

unit_tests += \
	tests/unit/hub/stream/test_answers \
	tests/unit/hub/stream/test_clock \
	tests/unit/hub/stream/test_dispatcher \
	tests/unit/hub/stream/test_drain \
	tests/unit/hub/stream/test_feed \
	tests/unit/hub/stream/test_footprint \
	tests/unit/hub/stream/test_handles \
	tests/unit/hub/stream/test_loop \
	tests/unit/hub/stream/test_no_memory \
	tests/unit/hub/stream/test_sessions \
	tests/unit/hub/stream/test_shares \
	tests/unit/hub/stream/test_slow_clients \
	tests/unit/hub/stream/test_stream
tests_unit_hub_stream_test_feed_LDFLAGS = $(LINK_FAILING_ALLOC)
tests_unit_hub_stream_test_footprint_LDFLAGS = $(LINK_FAILING_ALLOC)
tests_unit_hub_stream_test_no_memory_LDFLAGS = $(LINK_FAILING_CALLS)

EXTRA_DIST += %D%/README.md tests/unit/hub/stream/dispatcher_unit.h
