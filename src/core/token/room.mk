libmrccore_la_SOURCES += \
	%D%/cache.c %D%/cache.h \
	%D%/grants.c %D%/grants.h \
	%D%/memo.c %D%/memo.h \
	%D%/token.c %D%/token.h

unit_tests += \
	tests/unit/core/token/test_cache \
	tests/unit/core/token/test_grants \
	tests/unit/core/token/test_memo \
	tests/unit/core/token/test_no_memory \
	tests/unit/core/token/test_token \
	tests/unit/core/token/test_token_legacy
tests_unit_core_token_test_no_memory_LDFLAGS = $(LINK_FAILING_ALLOC)

EXTRA_DIST += %D%/README.md
