"""How near the sandbox is to AWS: tables of what AWS answers, each with its source, and other projects' own tests."""
