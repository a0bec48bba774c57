"""What AWS answers to single calls of its services, as tables with sources, and the sandbox held against them."""
