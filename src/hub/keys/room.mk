libmrchub_la_SOURCES += \
	%D%/keeper.c %D%/keeper.h \
	%D%/keyring.c %D%/keyring.h

unit_tests += tests/unit/hub/keys/test_keyring tests/unit/hub/keys/test_no_memory
tests_unit_hub_keys_test_no_memory_LDFLAGS = $(LINK_FAILING_CALLS)

EXTRA_DIST += %D%/README.md
