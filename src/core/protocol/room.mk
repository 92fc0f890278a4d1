libmrccore_la_SOURCES += \
	%D%/batch.c %D%/batch.h \
	%D%/form.c %D%/form.h \
	%D%/position.c %D%/position.h \
	%D%/sse.c %D%/sse.h \
	%D%/subscription.c %D%/subscription.h \
	%D%/subscription_doc.c %D%/subscription_doc.h \
	%D%/update.c %D%/update.h

unit_tests += \
	tests/unit/core/protocol/test_batch \
	tests/unit/core/protocol/test_form \
	tests/unit/core/protocol/test_position \
	tests/unit/core/protocol/test_subscription \
	tests/unit/core/protocol/test_subscription_doc \
	tests/unit/core/protocol/test_update
tests_unit_core_protocol_test_batch_LDFLAGS = $(LINK_FAILING_ALLOC)
tests_unit_core_protocol_test_subscription_LDFLAGS = $(LINK_FAILING_ALLOC)

EXTRA_DIST += %D%/README.md
