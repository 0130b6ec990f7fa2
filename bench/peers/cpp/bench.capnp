@0xb4c1d9a07f3e5821;

interface Socket {
  echo @0 (data :Data) -> (data :Data);
}
