libmrchub_la_SOURCES += \
	%D%/listing.c %D%/listing.h \
	%D%/order.c %D%/order.h \
	%D%/orders.c %D%/orders.h \
	%D%/revoked.c %D%/revoked.h

unit_tests += \
	tests/unit/hub/control/test_listing \
	tests/unit/hub/control/test_order

EXTRA_DIST += %D%/README.md
