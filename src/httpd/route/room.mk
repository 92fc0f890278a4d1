mod_mercure_la_SOURCES += \
	%D%/claim.c %D%/claim.h \
	%D%/paths.c %D%/paths.h \
	%D%/route.c %D%/route.h \
	%D%/url_token.c %D%/url_token.h

EXTRA_DIST += %D%/README.md
