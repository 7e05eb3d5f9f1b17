/* SPDX-License-Identifier: MIT */
/* The built-in steering objects, byte for byte as clang made them. */
	.section .rodata
	.balign 8
	.globl builtin_rss, builtin_rss_end, builtin_rss_stats, builtin_rss_stats_end
	.globl builtin_rss_tunnel, builtin_rss_tunnel_end
	.globl builtin_rss_tunnel_stats, builtin_rss_tunnel_stats_end
builtin_rss:
	.incbin "bpf/rss.bpf.o"
builtin_rss_end:
	.balign 8
builtin_rss_stats:
	.incbin "bpf/rss-stats.bpf.o"
builtin_rss_stats_end:
	.balign 8
builtin_rss_tunnel:
	.incbin "bpf/rss-tunnel.bpf.o"
builtin_rss_tunnel_end:
	.balign 8
builtin_rss_tunnel_stats:
	.incbin "bpf/rss-tunnel-stats.bpf.o"
builtin_rss_tunnel_stats_end:

	.section .note.GNU-stack, "", %progbits
