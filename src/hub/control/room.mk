libmrchub_la_SOURCES += \
	%D%/listing.c %D%/listing.h \
	%D%/order.c %D%/order.h \
	%D%/orders.c %D%/orders.h \
	%D%/revoked.c %D%/revoked.h

unit_tests += \
	tests/unit/hub/control/test_listing \
	tests/unit/hub/control/test_no_memory \
	tests/unit/hub/control/test_order
tests_unit_hub_control_test_no_memory_LDFLAGS = $(LINK_FAILING_CALLS)

EXTRA_DIST += %D%/README.md
