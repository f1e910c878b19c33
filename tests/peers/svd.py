"""The best approximation of a matrix by rank, by numpy's SVD: the singular values as JSON, the approximation into OUT.

    svd.py MATRIX.f32 ROWS COLUMNS RANK OUT.f64 [GRAM.f32]

With GRAM, the mean of x xT over inputs x, it is the best for these inputs: GRAM is divided by the mean of its diagonal, and
0.01 is added there.
"""

import json
import sys

import numpy as np


def main() -> None:
    if len(sys.argv) not in (6, 7):
        raise SystemExit(__doc__)
    rows, columns, rank = map(int, sys.argv[2:5])
    matrix = np.fromfile(sys.argv[1], np.float32).astype(np.float64).reshape(rows, columns)
    root = np.eye(columns)
    if len(sys.argv) == 7:
        gram = np.fromfile(sys.argv[6], np.float32).astype(np.float64).reshape(columns, columns)
        root = np.linalg.cholesky(gram / gram.diagonal().mean() + 0.01 * np.eye(columns))
    left, values, right = np.linalg.svd(matrix @ root, full_matrices=False)
    nearest = (left[:, :rank] * values[:rank]) @ right[:rank]
    np.linalg.solve(root.T, nearest.T).T.tofile(sys.argv[5])
    print(json.dumps(values.tolist()))


if __name__ == "__main__":
    main()
