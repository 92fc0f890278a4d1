mod_mercure_la_SOURCES += \
	%D%/check.c %D%/check.h \
	%D%/directive_table.c %D%/directive_table.h %D%/directive_table.def \
	%D%/directives.c %D%/directives.h \
	%D%/hubs.c %D%/hubs.h \
	%D%/key_sources.c %D%/key_sources.h \
	%D%/origin.c %D%/origin.h \
	%D%/place.c %D%/place.h \
	%D%/playground_key.c %D%/playground_key.h \
	%D%/settings.c %D%/settings.h \
	%D%/site.c %D%/site.h \
	%D%/sizing.c %D%/sizing.h \
	%D%/spec.c %D%/spec.h \
	%D%/transport.c %D%/transport.h \
	%D%/values.c %D%/values.h \
	%D%/warnings.c %D%/warnings.h

# These units do not need httpd. The module is not a library, so the tests compile the units themselves.
unit_tests += \
	tests/unit/httpd/config/test_directive_table \
	tests/unit/httpd/config/test_origin \
	tests/unit/httpd/config/test_settings
tests_unit_httpd_config_test_directive_table_SOURCES = tests/unit/httpd/config/test_directive_table.c \
	%D%/directive_table.c
tests_unit_httpd_config_test_origin_LDFLAGS = $(LINK_FAILING_CALLS)
tests_unit_httpd_config_test_origin_SOURCES = tests/unit/httpd/config/test_origin.c %D%/origin.c
tests_unit_httpd_config_test_settings_SOURCES = tests/unit/httpd/config/test_settings.c %D%/directive_table.c \
	%D%/settings.c

EXTRA_DIST += %D%/README.md
