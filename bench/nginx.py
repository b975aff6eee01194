"""nginx as the measure of all things: proxy_pass over kept-alive connections, nothing buffered, one worker."""

import shutil
import tempfile
from pathlib import Path

from bench.gateway import Address, Gateway, launch
from bench.processes import Absent, Processes, free_port

NAME = "nginx"

_CONFIG = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {work}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_requests 100000000;
  client_body_temp_path {work}/body;
  proxy_temp_path {work}/proxy;
  fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi;
  scgi_temp_path {work}/scgi;
  upstream mock {{
    server 127.0.0.1:{upstream};
    keepalive 256;
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 120s;
    }}
  }}
}}
"""


def start(processes: Processes, upstream_port: int) -> Gateway:
    """Start nginx before the mock upstream. Raises Absent."""
    # Debian keeps it in /usr/sbin, which is not on every user's PATH.
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if binary is None:
        raise Absent("nginx is not installed. On Debian or Ubuntu: apt-get install nginx-light (or nginx).")
    # Its own directory under the benchmark's: a second nginx (for the open streams) must not share the pid file.
    work = Path(tempfile.mkdtemp(prefix="nginx-", dir=processes.work))
    # Started by root, the worker runs as another user, who must be able to reach its temporary files.
    processes.work.chmod(0o755)
    work.chmod(0o755)
    port = free_port()
    config = work / "nginx.conf"
    config.write_text(_CONFIG.format(work=work, upstream=upstream_port, port=port))
    version = processes.run(["sh", "-c", f"{binary} -v 2>&1"]).decode().strip().rpartition("/")[2]
    return launch(processes, NAME, version, Address(port=port), [binary, "-p", work, "-c", config, "-e", "stderr"])
