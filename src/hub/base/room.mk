libmrchub_la_SOURCES += \
	%D%/carrier_kind.c %D%/carrier_kind.h \
	%D%/end.c %D%/end.h \
	%D%/entropy.c %D%/entropy.h \
	%D%/event.c %D%/event.h \
	%D%/heap.c %D%/heap.h \
	%D%/list.h \
	%D%/mailbox.c %D%/mailbox.h \
	%D%/prefetch.h \
	%D%/status.c %D%/status.h \
	%D%/thread.c %D%/thread.h \
	%D%/users.h \
	%D%/wake.c %D%/wake.h \
	%D%/wheel.c %D%/wheel.h

unit_tests += \
	tests/unit/hub/base/test_entropy \
	tests/unit/hub/base/test_event \
	tests/unit/hub/base/test_mailbox \
	tests/unit/hub/base/test_status \
	tests/unit/hub/base/test_wake \
	tests/unit/hub/base/test_wheel
tests_unit_hub_base_test_mailbox_LDFLAGS = $(LINK_FAILING_ALLOC)

EXTRA_DIST += %D%/README.md
