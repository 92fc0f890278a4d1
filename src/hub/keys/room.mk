libmrchub_la_SOURCES += \
	%D%/keeper.c %D%/keeper.h \
	%D%/keyring.c %D%/keyring.h

unit_tests += tests/unit/hub/keys/test_keyring

EXTRA_DIST += %D%/README.md
