mod_mercure_la_SOURCES += \
	%D%/health.c %D%/health.h \
	%D%/metric_table.c %D%/metric_table.h \
	%D%/metrics.c %D%/metrics.h \
	%D%/refusals.c %D%/refusals.h \
	%D%/server_status.c %D%/server_status.h

EXTRA_DIST += %D%/README.md
