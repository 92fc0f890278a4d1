libmrccore_la_SOURCES += \
	%D%/base64url.c %D%/base64url.h \
	%D%/buf.c %D%/buf.h \
	%D%/bytes.h \
	%D%/err.c %D%/err.h \
	%D%/interned.c %D%/interned.h \
	%D%/json.c %D%/json.h \
	%D%/json_check.c %D%/json_check.h \
	%D%/json_pick.c %D%/json_pick.h \
	%D%/json_scan.c %D%/json_scan.h \
	%D%/percent.c %D%/percent.h \
	%D%/quote.c %D%/quote.h \
	%D%/siphash.c %D%/siphash.h \
	%D%/utf8.c %D%/utf8.h \
	%D%/utf8_cf.h

unit_tests += \
	tests/unit/core/base/test_base64url \
	tests/unit/core/base/test_buf \
	tests/unit/core/base/test_interned \
	tests/unit/core/base/test_json \
	tests/unit/core/base/test_siphash \
	tests/unit/core/base/test_utf8
tests_unit_core_base_test_interned_LDFLAGS = $(LINK_FAILING_ALLOC)
tests_unit_core_base_test_json_LDFLAGS = $(LINK_FAILING_CALLS)

EXTRA_DIST += %D%/README.md
