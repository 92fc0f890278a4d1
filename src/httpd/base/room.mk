mod_mercure_la_SOURCES += \
	%D%/connection.c %D%/connection.h \
	%D%/free_nodes.c %D%/free_nodes.h \
	%D%/hooks.c %D%/hooks.h \
	%D%/module.h \
	%D%/tsan.c %D%/tsan.h \
	%D%/vhost_alias.c %D%/vhost_alias.h

EXTRA_DIST += %D%/README.md
