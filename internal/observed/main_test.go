package observed

import (
	"testing"

	"reconciler/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }
