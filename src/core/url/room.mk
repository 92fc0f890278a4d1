libmrccore_la_SOURCES += \
	%D%/host.c %D%/host.h \
	%D%/idna.c %D%/idna.h \
	%D%/parse.c \
	%D%/path.c %D%/path.h \
	%D%/url.c %D%/url.h

unit_tests += tests/unit/core/url/test_url

EXTRA_DIST += %D%/README.md tests/unit/url_href.h
