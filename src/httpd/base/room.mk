mod_mercure_la_SOURCES += \
	%D%/connection.c %D%/connection.h \
	%D%/environment.c %D%/environment.h \
	%D%/free_nodes.c %D%/free_nodes.h \
	%D%/hooks.c %D%/hooks.h \
	%D%/module.h \
	%D%/pool.c %D%/pool.h \
	%D%/reload.c %D%/reload.h \
	%D%/tsan.c %D%/tsan.h \
	%D%/vhost_alias.c %D%/vhost_alias.h

unit_tests += tests/unit/httpd/base/test_environment \
	tests/unit/httpd/base/test_pool
tests_unit_httpd_base_test_environment_SOURCES = tests/unit/httpd/base/test_environment.c %D%/environment.c
tests_unit_httpd_base_test_pool_SOURCES = tests/unit/httpd/base/test_pool.c %D%/pool.c
tests_unit_httpd_base_test_pool_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)

EXTRA_DIST += %D%/README.md
