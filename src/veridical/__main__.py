"""python -m veridical, which is what torchrun starts."""

from veridical.cli import main

main()
