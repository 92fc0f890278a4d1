mod_mercure_la_SOURCES += \
	%D%/claim.c %D%/claim.h \
	%D%/url_token.c %D%/url_token.h

EXTRA_DIST += %D%/README.md
