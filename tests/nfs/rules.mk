# make nfs-check: a receiver on NFS, with a server that is restarted, away, full and read-only, and several receivers, in user-mode Linux. Minutes.
# make nfs-rates: its rate on a server that is far away, beside storescp's.
$(B)/tests/nfs: | $(PROGRAMS) $(B)/bench/sender $(B)/demo/phantom

nfs-check nfs-rates:
	deploy/deps.sh build nfs
	+$(MAKE) $(JOBS) all $(B)/bench/sender $(B)/demo/phantom
	tests/nfs/boot.sh build/nfs $(if $(filter nfs-rates,$@),rates,restart away full read-only replicas count)

.PHONY: nfs-check nfs-rates
