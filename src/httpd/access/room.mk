mod_mercure_la_SOURCES += \
	%D%/authorize.c %D%/authorize.h \
	%D%/challenge.c %D%/challenge.h \
	%D%/client.c %D%/client.h \
	%D%/cors.c %D%/cors.h \
	%D%/credentials.c %D%/credentials.h \
	%D%/identity.c %D%/identity.h

EXTRA_DIST += %D%/README.md
