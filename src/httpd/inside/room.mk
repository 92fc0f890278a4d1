mod_mercure_la_SOURCES += \
	%D%/api.c %D%/api.h \
	%D%/header.c %D%/header.h \
	%D%/interim.c %D%/interim.h \
	%D%/link.c %D%/link.h \
	%D%/lua.c %D%/lua.h \
	%D%/publisher.c %D%/publisher.h \
	%D%/site_response.c %D%/site_response.h

EXTRA_DIST += %D%/README.md
